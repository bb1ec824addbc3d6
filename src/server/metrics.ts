import type { FastifyReply, FastifyRequest } from "fastify";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { App, Context } from "./app.js";
import type { Job } from "./jobs/job.js";

const SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800];

/** What Prometheus is told, of one server. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Histogram<"method" | "route" | "status">;
  readonly #jobs: Counter<"method" | "state">;
  readonly #seconds: Histogram<"method">;

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#requests = new Histogram({
      name: "tokenlense_http_request_seconds",
      help: "Time to answer a request",
      labelNames: ["method", "route", "status"],
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
      registers,
    });
    this.#jobs = new Counter({
      name: "tokenlense_jobs_ended_total",
      help: "Jobs that ended",
      labelNames: ["method", "state"],
      registers,
    });
    this.#seconds = new Histogram({
      name: "tokenlense_job_seconds",
      help: "Time from a job's beginning to its end",
      labelNames: ["method"],
      buckets: SECONDS,
      registers,
    });
  }

  /** Counts what is at hand when it is asked for. */
  observe({ queue, pool }: Pick<Context, "queue" | "pool">): void {
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        ...{ name, help, registers: [this.#registry] },
        collect() {
          this.set(value());
        },
      });
    gauge("tokenlense_jobs_queued", "Jobs that wait", () => queue.count("queued"));
    gauge("tokenlense_jobs_running", "Jobs that run", () => queue.count("running"));
    gauge("tokenlense_models_loaded", "Models in memory", () => pool.loaded().length);
    gauge("tokenlense_models_bytes", "Bytes of weights in memory", () =>
      pool.loaded().reduce((sum, { bytes }) => sum + bytes, 0),
    );
  }

  ended({ record }: Job): void {
    const { request, state, started, ended } = record;
    this.#jobs.inc({ method: request.method, state });
    if (started && ended)
      this.#seconds.observe({ method: request.method }, (Date.parse(ended) - Date.parse(started)) / 1000);
  }

  readonly answered = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const labels = { method: request.method, route: request.routeOptions.url ?? "none", status: reply.statusCode };
    this.#requests.observe(labels, reply.elapsedTime / 1000);
  };

  /** GET /metrics. */
  route(app: App): void {
    app.get(
      "/metrics",
      { schema: { tags: ["server"], summary: "For Prometheus", produces: ["text/plain"] } },
      async (_, reply) => reply.type(this.#registry.contentType).send(await this.#registry.metrics()),
    );
  }
}
