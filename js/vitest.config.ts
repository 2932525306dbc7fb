import { dirname, join } from "node:path";
import { build } from "esbuild";
import { defineConfig } from "vitest/config";

// Tests get the same bundled worker text as the built module.
const inlineWorker = {
  name: "inline-worker",
  enforce: "pre" as const,
  resolveId(source: string, importer: string | undefined): string | undefined {
    if (!source.startsWith("inline-worker:") || importer === undefined) return undefined;
    const path = source.slice("inline-worker:".length).replace(/\.ts$/, "");
    return `\0inline-worker:${join(dirname(importer), path)}.js`;
  },
  async load(id: string): Promise<string | undefined> {
    if (!id.startsWith("\0inline-worker:")) return undefined;
    const entry = id.slice("\0inline-worker:".length).replace(/\.js$/, ".ts");
    const result = await build({ entryPoints: [entry], bundle: true, format: "iife", write: false });
    return `export default ${JSON.stringify(result.outputFiles[0]?.text ?? "")};`;
  },
};

export default defineConfig({
  plugins: [inlineWorker],
  test: {
    include: ["tests/**/*.test.ts"],
    environment: "node",
    testTimeout: 20_000,
    pool: "threads",
    maxWorkers: 2,
  },
});
