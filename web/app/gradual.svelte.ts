/**
 * Counts up to a number over the frames to come, by `step` a frame: whoever draws that many of a list's parts never holds
 * up a frame. Called while a component is set up.
 */
export function gradually(total: () => number, step: number): { readonly count: number } {
  let count = $state(0);
  $effect(() => {
    const all = total();
    let frame = requestAnimationFrame(function next() {
      count = Math.min(count + step, all);
      if (count < all) frame = requestAnimationFrame(next);
    });
    return () => cancelAnimationFrame(frame);
  });
  return {
    get count() {
      return count;
    },
  };
}
