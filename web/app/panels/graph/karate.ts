/**
 * Who met whom in a karate club before it split in two (Zachary, "An Information Flow Model for Conflict and Fission in
 * Small Groups", 1977): members 1 to 34. Each line here is a member and those of higher numbers it met.
 */
const MET = `1 2 3 4 5 6 7 8 9 11 12 13 14 18 20 22 32
2 3 4 8 14 18 20 22 31
3 4 8 9 10 14 28 29 33
4 8 13 14
5 7 11
6 7 11 17
7 17
9 31 33 34
10 34
14 34
15 33 34
16 33 34
19 33 34
20 34
21 33 34
23 33 34
24 26 28 30 33 34
25 26 28 32
26 32
27 30 34
28 34
29 32 34
30 33 34
31 33 34
32 33 34
33 34`;

/** A line for each edge. */
export const karateClub = MET.split("\n")
  .flatMap((line) => {
    const [member, ...others] = line.split(" ");
    return others.map((other) => `${member} ${other}`);
  })
  .join("\n");

const HI = new Set("1 2 3 4 5 6 7 8 9 11 12 13 14 17 18 20 22".split(" "));

/** Whom each member followed when the club split: its teacher, or the officer who ran it. Named as NetworkX names them. */
export const karateFactions = {
  name: "factions",
  of: new Map(Array.from({ length: 34 }, (_, i) => `${i + 1}`).map((key) => [key, HI.has(key) ? "Mr. Hi" : "Officer"])),
};
