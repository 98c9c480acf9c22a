// The worker for Node, tuned by $NOMUL_TEST_TUNING; see tune.mjs. The address of a worker comes without its query here.

import "../../build/worker.node.js";
import { tune } from "./tune.mjs";

tune(new URLSearchParams(process.env.NOMUL_TEST_TUNING));
