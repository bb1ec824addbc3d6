/** Gives the reader a file. */
export function download(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The browser has taken it by then, and nothing else holds it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
