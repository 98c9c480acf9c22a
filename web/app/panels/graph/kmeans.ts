/** Vectors in clusters, by k-means of their directions; how many there are is told by how well they stand apart. */
import { kmeans } from "ml-kmeans";

/** A clustering for each number of clusters that makes sense. */
export interface Clusterings {
  /** The number of clusters that fits best. */
  best: number;
  /** By the number of clusters: the cluster of each vector. */
  of: Map<number, Uint8Array>;
}

/** As many as there are colours. */
const MOST = 8;

/** Clusters are fitted to so many vectors at most; the others join the nearest. */
const SAMPLE = 1000;

/** Each number is tried from several starts, which are the same for the same vectors: a picture can be made again. */
const STARTS = [1, 2, 3];

/** Of the best mark. Fewer clusters that come so near are easier to grasp. */
const NEAR = 0.9;

type Fit = ReturnType<typeof kmeans>;

/** Tells after each number of clusters how many have been tried. */
export function clusterings(
  rows: Int16Array,
  columns: number,
  onProgress: (done: number, total: number) => void = () => {},
): Clusterings {
  const count = rows.length / columns;
  const unit = (node: number) => {
    const row = Array.from(rows.subarray(node * columns, (node + 1) * columns));
    const length = Math.hypot(...row) || 1;
    return row.map((x) => x / length);
  };
  const stride = Math.ceil(count / SAMPLE);
  const sample = Array.from({ length: Math.ceil(count / stride) }, (_, i) => unit(i * stride));
  const most = Math.min(MOST, sample.length - 1);
  const found: { clusters: number; mark: number; of: Uint8Array }[] = [];
  for (let clusters = 2; clusters <= most; clusters++) {
    const fits = STARTS.map((seed) => {
      const fit = kmeans(sample, clusters, { seed, maxIterations: 50 });
      const parts = fit.computeInformation(sample);
      const error = parts.reduce((sum, part) => sum + part.error * part.size, 0);
      return { fit, error, empty: parts.some(({ size }) => size === 0) };
    });
    const [least] = fits.filter(({ empty }) => !empty).sort((one, other) => one.error - other.error);
    if (least) {
      const of = Uint8Array.from({ length: count }, (_, node) => least.fit.nearest([unit(node)])[0] ?? 0);
      found.push({ clusters, mark: silhouette(sample, least.fit), of });
    }
    onProgress(clusters - 1, most - 1);
  }
  // Vectors that are all alike are one.
  if (found.length === 0) found.push({ clusters: 1, mark: 0, of: new Uint8Array(count) });
  const enough = NEAR * Math.max(...found.map(({ mark }) => mark));
  const best = found.find(({ mark }) => mark >= enough) ?? found[0]!;
  return { best: best.clusters, of: new Map(found.map(({ clusters, of }) => [clusters, of])) };
}

/**
 * How much nearer vectors are to the middle of their cluster than to the next one's, on average: 1 where clusters are points,
 * 0 where they run into each other. (The simplified silhouette, Hruschka et al. 2004.)
 */
function silhouette(sample: number[][], { centroids, clusters }: Fit): number {
  const marks = sample.map((row, i) => {
    const own = clusters[i] ?? 0;
    const near = distance(row, centroids[own] ?? row);
    const next = Math.min(...centroids.filter((_, other) => other !== own).map((middle) => distance(row, middle)));
    return next > 0 ? (next - near) / Math.max(near, next) : 0;
  });
  return marks.reduce((sum, mark) => sum + mark, 0) / marks.length;
}

const distance = (one: number[], other: number[]) => Math.hypot(...one.map((x, i) => x - (other[i] ?? 0)));
