/** Words of the trade, for those who meet them here first. Shown where the words stand. */
export const GLOSSARY = {
  plane:
    "One sign, + or −, for every weight of a matrix: one bit a weight. A matrix is a sum of a few planes, each with its own scales.",
  scale:
    "How much a plane counts: a number for each column and one for each row of a matrix, made of powers of two so that it is applied by shifting.",
  level: "A file of planes. The first one holds what the model starts with; each further one completes some matrices.",
  prefix: "The first few planes of a matrix, used alone. It has scales of its own, fitted for just these planes.",
  error: "The share of a matrix's output that its planes miss, measured by the quantiser on its calibration text.",
  cost: "What an error does to the model: how far its predictions move, in nats (natural units of information) a token. 1000 millinats are one nat.",
  time: "The engine does not time matrices one by one. A token's whole time is shared out by the planes and the size of each matrix; attention and norms are in it too.",
  perplexity:
    "How many words the model hesitates between, on average: less is better. Costs in nats add up, and their sum is how much its logarithm grows.",
  token: "A piece of text as the model reads and writes it: a word or a part of one.",
  temperature: "How much chance there is in the choice of the next token: 0 takes the likeliest one each time.",
  isolation:
    "A page served with the headers COOP and COEP shares memory between its threads. Without them one thread works.",
  calibration: "A text that the quantiser runs through the checkpoint, to see which weights matter.",
  rotation:
    "Before matrices become planes they are turned, so that no weight sticks out. What is shown are the turned weights.",
} as const;

export type Word = keyof typeof GLOSSARY;
