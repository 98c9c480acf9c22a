// The worker for browsers, tuned by its address; see tune.mjs. `lack` in it names what the browser is to be without:
//
// - `opfs`: files that a worker can write to
// - `directory`: the same, by refusing it
// - `storage`: files, and the Cache API
// - `disk`: room for more than `room` bytes, until a model is deleted
// - `quota`: a quota larger than `room` bytes, by what it tells

import "../../build/worker.js";
import { tune } from "./tune.mjs";

const { searchParams } = new URL(import.meta.url);
tune(searchParams);
const lack = searchParams.get("lack");

if (lack === "opfs" || lack === "storage") delete FileSystemFileHandle.prototype.createSyncAccessHandle;
if (lack === "directory") {
  StorageManager.prototype.getDirectory = async () => {
    throw new DOMException("not in this window", "SecurityError");
  };
}
if (lack === "storage") Object.defineProperty(globalThis, "caches", { value: undefined });
if (lack === "disk") {
  const { write } = globalThis.FileSystemSyncAccessHandle.prototype;
  let room = Number(searchParams.get("room"));
  globalThis.FileSystemSyncAccessHandle.prototype.write = function (bytes, options) {
    if (bytes.length > room) throw new DOMException("the disk is full", "QuotaExceededError");
    room -= bytes.length;
    return write.call(this, bytes, options);
  };
  const { removeEntry } = FileSystemDirectoryHandle.prototype;
  FileSystemDirectoryHandle.prototype.removeEntry = function (...args) {
    room = Infinity;
    return removeEntry.apply(this, args);
  };
}
if (lack === "quota") {
  const { estimate } = StorageManager.prototype;
  StorageManager.prototype.estimate = async function () {
    return { ...(await estimate.call(this)), quota: Number(searchParams.get("room")) };
  };
}
