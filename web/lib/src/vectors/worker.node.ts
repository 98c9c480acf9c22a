/** The worker of graphs, JSON and search in Node. */
import { scopePort } from "../port.node.js";
import { loadEngineFile } from "./engine.node.js";
import { serveVectors } from "./serve.js";
import { fileStorage } from "./storage.node.js";

serveVectors(scopePort(), { loadEngine: loadEngineFile, storage: () => fileStorage });
