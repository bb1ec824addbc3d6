export type { ServeOptions, ServerLimits } from "./options.js";
export { serve, type TokenlenseServer } from "./server.js";
