/** How results that are compared are called: A, B, … Z, then numbers. */
export function letterOf(result: number): string {
  return result < 26 ? String.fromCharCode(65 + result) : String(result + 1);
}
