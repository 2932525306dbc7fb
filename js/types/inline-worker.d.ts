/** The text of a worker script, bundled by build.mjs: `import source from "inline-worker:./decode.worker"`. */
declare module "inline-worker:*" {
  const source: string;
  export default source;
}
