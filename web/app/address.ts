/** The model's folder: the one beside the page, or the one that the page's address names: `?model=URL`. */
export function modelAddress(search: string): string {
  return new URLSearchParams(search).get("model") ?? "model/";
}
