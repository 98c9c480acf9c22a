/** A thread of an engine, in browsers. */
import { join, type Joining } from "./threads.js";

addEventListener("message", (event: MessageEvent<Joining>) => void join(event.data, (trouble) => postMessage(trouble)));
