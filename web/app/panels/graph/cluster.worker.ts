/** Clusters of vectors, in a worker of its own, which is ended when nobody waits for it any more. */
import type { ClusterAnswer, ClusterRequest } from "./cluster.ts";
import { clusterings } from "./kmeans.ts";

const tell = (answer: ClusterAnswer) => postMessage(answer);

addEventListener("message", ({ data: { rows, columns } }: MessageEvent<ClusterRequest>) => {
  tell(clusterings(rows, columns, (done, total) => tell({ done, total })));
});
