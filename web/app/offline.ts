/** The service worker of the built page: it works without a network then, and with threads on hosts that send no headers. */

/** Where the worker keeps what describes models. */
const DESCRIPTIONS = "nomul-descriptions";

const INDEX = "model.safetensors.index.json";
const FILES = ["config.json", "tokenizer_config.json", "generation_config.json"];

/**
 * Starts the service worker once the model at `folder` is here, so that nothing waits for it, and has it keep what describes
 * the model. Answers whether the page would be isolated if it were loaded anew.
 */
export async function keepPage(folder: string): Promise<boolean> {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator) || !isSecureContext) return false;
  try {
    await navigator.serviceWorker.register("./service-worker.js");
    await navigator.serviceWorker.ready;
    if (navigator.serviceWorker.controller === null) {
      await new Promise((resolve) =>
        navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }),
      );
    }
    // Through the worker, which keeps them. They are in the HTTP cache, or asked for with their tags.
    if (/^https?:/.test(folder)) {
      const files = [...FILES, await tokenizerOf(folder).catch(() => "tokenizer.json")];
      await Promise.all(files.map((file) => fetch(folder + file).catch(() => undefined)));
    }
  } catch {
    // A browser that forbids it still has the page.
    return false;
  }
  return !crossOriginIsolated;
}

/** The tokenizer's file that the package asks for: the index names it. */
async function tokenizerOf(folder: string): Promise<string> {
  const { metadata } = (await (await fetch(folder + INDEX)).json()) as { metadata?: { tokenizer?: unknown } };
  return typeof metadata?.tokenizer === "string" ? metadata.tokenizer : "tokenizer.json";
}

/** Forgets what describes a model. */
export async function forgetDescription(folder: string): Promise<void> {
  if (!("caches" in globalThis)) return;
  const cache = await caches.open(DESCRIPTIONS);
  const all = await cache.keys();
  await Promise.all(all.filter(({ url }) => url.startsWith(folder)).map((request) => cache.delete(request)));
}
