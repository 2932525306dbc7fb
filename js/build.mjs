// Bundles js/src into src/nbannot/viewer/static: one ES module with its workers inside, and one style sheet.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = resolve(here, "../src/nbannot/viewer/static");
// The loader once for each widget; the viewer once for each page; the others once for each page that wants them.
const LIMITS = {
  "loader.js": 5 * 1024, "page.js": 48 * 1024, "viewer.js": 460 * 1024, "volume3d.js": 60 * 1024, "forms.js": 40 * 1024, "live.js": 60 * 1024,
  "board.js": 10 * 1024,
};
const watch = process.argv.includes("--watch");

const shared = {
  absWorkingDir: here,
  bundle: true,
  minify: !watch,
  target: ["es2022", "chrome110", "firefox115", "safari16.4"],
  legalComments: "none",
  logLevel: "warning",
};

// zstddec carries its WebAssembly as base64 text; compressed first, it takes 45 KB less.
const smallerZstd = {
  name: "smaller-zstd",
  setup(build) {
    build.onLoad({ filter: /[\\/]zstddec[\\/]dist[\\/]zstddec\.mjs$/ }, async (args) => {
      const source = await readFile(args.path, "utf8");
      const contents = source
        .replace(/const wasm = "([A-Za-z0-9+/=]+)"/, (_, wasm) => {
          const bytes = gzipSync(Buffer.from(wasm, "base64"), { level: 9 });
          return `const wasm = "${bytes.toString("base64")}"`;
        })
        // Without a fetch of data:, which the policy of a page need not allow.
        .replace(
          "fetch(`data:application/wasm;base64,${wasm}`).then((response) => response.arrayBuffer())",
          "new Response(new Blob([Uint8Array.from(atob(wasm), (one) => one.charCodeAt(0))]).stream()" +
            '.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer()',
        );
      if (source.length - contents.length < 40_000 || !contents.includes("DecompressionStream")) {
        throw new Error("zstddec is built differently now: look at smallerZstd in build.mjs");
      }
      return { contents, loader: "js" };
    });
  },
};

const inlineWorker = {
  name: "inline-worker",
  setup(build) {
    build.onResolve({ filter: /^inline-worker:/ }, (args) => ({
      path: join(args.resolveDir, `${args.path.slice("inline-worker:".length).replace(/\.ts$/, "")}.ts`),
      namespace: "inline-worker",
    }));
    build.onLoad({ filter: /.*/, namespace: "inline-worker" }, async (args) => {
      const result = await esbuild.build({
        ...shared,
        entryPoints: [args.path],
        format: "iife",
        platform: "browser",
        plugins: [smallerZstd],
        write: false,
        metafile: true,
      });
      const inputs = Object.keys(result.metafile.inputs).map((path) => resolve(here, path));
      return { contents: result.outputFiles[0].text, loader: "text", watchFiles: inputs };
    });
  },
};

// Each knows the fingerprint of what it fetches, which is therefore built before it.
const outputs = [
  { entry: "src/bundle3d.ts", file: "volume3d.js", options: { format: "esm", platform: "browser" } },
  { entry: "src/bundleforms.ts", file: "forms.js", options: { format: "esm", platform: "browser" } },
  { entry: "src/bundlelive.ts", file: "live.js", options: { format: "esm", platform: "browser" } },
  { entry: "src/index.ts", file: "viewer.js", options: { format: "esm", platform: "browser", plugins: [inlineWorker, smallerZstd] } },
  { entry: "src/loader.ts", file: "loader.js", options: { format: "esm", platform: "browser" } },
  // For pages whose policy allows no worker but one from a file.
  { entry: "src/decode.worker.ts", file: "decode.js", options: { format: "iife", platform: "browser", plugins: [smallerZstd] } },
  { entry: "src/page.ts", file: "page.js", options: { format: "esm", platform: "browser" } },
  { entry: "src/page/page.css", file: "page.css", options: {} },
  { entry: "src/viewer.css", file: "viewer.css", options: {} },
  { entry: "src/board.ts", file: "board.js", options: { format: "esm", platform: "browser" } },
  { entry: "src/board.css", file: "board.css", options: {} },
];

for (const { entry } of outputs) {
  if (!existsSync(join(here, entry))) {
    console.error(`js/${entry} is missing: nothing was built.`);
    process.exit(1);
  }
}
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });

let tooLarge = false;
const hashes = { "viewer.js": "watching", "volume3d.js": "watching", "forms.js": "watching", "live.js": "watching" };
for (const { entry, file, options } of outputs) {
  const define = {
    MODULE_HASH: JSON.stringify(hashes["viewer.js"]),
    VOLUME3D_HASH: JSON.stringify(hashes["volume3d.js"]),
    FORMS_HASH: JSON.stringify(hashes["forms.js"]),
    LIVE_HASH: JSON.stringify(hashes["live.js"]),
  };
  const settings = { ...shared, ...options, define, entryPoints: [entry], outfile: join(target, file), write: false };
  if (watch) {
    const context = await esbuild.context({ ...settings, write: true });
    await context.watch();
    continue;
  }
  const result = await esbuild.build(settings);
  const bytes = result.outputFiles[0].contents;
  writeFileSync(join(target, file), bytes);
  if (file in hashes) hashes[file] = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  const kb = (n) => `${(n / 1024).toFixed(1)} KB`;
  console.log(`${file}: ${kb(bytes.length)}, ${kb(gzipSync(bytes).length)} gzipped`);
  if (bytes.length > (LIMITS[file] ?? Infinity)) {
    console.error(`${file} is over its limit of ${kb(LIMITS[file])}: load rare parts lazily.`);
    tooLarge = true;
  }
}
if (tooLarge) {
  rmSync(join(target, "viewer.js"));
  process.exit(1);
}
