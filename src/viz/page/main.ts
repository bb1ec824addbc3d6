import type { NativeDocument } from "../../storage/schema.js";
import type { TokenLensElement } from "./element.js";
import "./element.js";

// The start of an exported page, which carries its results as JSON.
const data = document.getElementById("tokenlense-results");
const element = document.querySelector<TokenLensElement>("token-lens");
if (data && element) element.results = JSON.parse(data.textContent ?? "[]") as NativeDocument[];
