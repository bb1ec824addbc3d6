import { stringify } from "csv-stringify/browser/esm/sync";

/** Rows of cells as a file for spreadsheets. */
export const csvOf = (rows: string[][]): Blob => new Blob([stringify(rows)], { type: "text/csv" });
