/** The page's side of clusters. */
import { ask, type Progress, type Waiting } from "./ask.ts";
import type { Clusterings } from "./kmeans.ts";

/** Vectors, one after the other; only their directions count. */
export interface ClusterRequest {
  rows: Int16Array<ArrayBuffer>;
  columns: number;
}

/** Numbers of clusters tried, or at last what was found. */
export type ClusterAnswer = Progress | Clusterings;

/** The most nodes whose vectors are copied for this. */
export const CLUSTER_NODES = 200_000;

/** Clusters of vectors; an abort ends the work at once. The vectors are gone afterwards: the worker has them. */
export function cluster(request: ClusterRequest, waiting: Waiting): Promise<Clusterings> {
  const worker = new Worker(new URL("./cluster.worker.ts", import.meta.url), { type: "module" });
  return ask<Clusterings>(worker, "What finds clusters", request, [request.rows.buffer], waiting);
}
