/** So many side by side can still be told apart. */
export const MOST_COMPARED = 4;

/** Of the page that compares these results. */
export const compareAddress = (ids: readonly string[]): string =>
  `/compare?ids=${ids.map((id) => encodeURIComponent(id)).join(",")}`;
