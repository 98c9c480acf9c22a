/** What the colour of a matrix says. Six steps of one hue, from pale to deep: for colour-blind eyes too. */
import { costs } from "../../allocation/costs.ts";
import { bytes, counted, milliseconds } from "../../format.ts";
import { percent, type Matrix } from "./cells.ts";

export type Colour = "bits" | "error" | "cost" | "bytes" | "time";

/** Milliseconds that a matrix with so many planes takes of a token; `undefined` where nothing has been timed yet. */
export type Predict = ((matrix: Matrix, planes: number) => number) | undefined;

interface Scale {
  /** As a choice is called. */
  title: string;
  /** What is coloured; not a number where it is not known. `planes`: those that the matrix has or would have. */
  value(matrix: Matrix, planes: number, predict: Predict): number;
  /** Where each step but the last ends. */
  ends: readonly number[];
  /** A step, as the legend names it; `undefined` where it has no end. */
  label(end: number | undefined): string;
}

const millinats = (nats: number) => `${(1000 * nats).toPrecision(1)} millinats`;
const orMore = (text: (end: number) => string) => (end: number | undefined) =>
  end === undefined ? "more" : `to ${text(end)}`;

export const COLOURS: Record<Colour, Scale> = {
  bits: {
    title: "bits",
    value: (_, planes) => planes,
    ends: [1, 2, 3, 4, 5],
    label: (end) => (end === undefined ? "6 bits or more" : counted(end, "bit")),
  },
  error: {
    title: "error",
    value: ({ error }) => error,
    ends: [0.0005, 0.001, 0.002, 0.004, 0.008],
    label: orMore(percent),
  },
  cost: {
    title: "cost",
    value: (matrix, planes) => costs(matrix)?.[planes] ?? NaN,
    ends: [0.0001, 0.0003, 0.001, 0.003, 0.01],
    label: orMore(millinats),
  },
  bytes: {
    title: "bytes",
    value: ({ bytes }) => bytes,
    ends: [30_000, 60_000, 125_000, 250_000, 500_000],
    label: orMore(bytes),
  },
  time: {
    title: "milliseconds",
    value: (matrix, planes, predict) => predict?.(matrix, planes) ?? NaN,
    ends: [0.03, 0.06, 0.125, 0.25, 0.5],
    label: orMore(milliseconds),
  },
};

/** The step of the scale, 1 to 6. What is not known is palest. */
export function stepOf(colour: Colour, matrix: Matrix, planes: number, predict: Predict): number {
  const { value, ends } = COLOURS[colour];
  const found = value(matrix, planes, predict);
  return 1 + ends.filter((end) => found > end).length;
}

/** The steps that occur, for the legend. */
export function legend(colour: Colour, steps: Iterable<number>): { step: number; label: string }[] {
  const { ends, label } = COLOURS[colour];
  const used = [...new Set(steps)].sort((a, b) => a - b);
  return used.map((step) => ({ step, label: label(ends[step - 1]) }));
}
