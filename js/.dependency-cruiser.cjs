// The layers of js/src, top to bottom; a file imports only what lies below it:
// loader|page|board > index|bundle… > ui|layout|commands > tools|render|volume3d > state > client > volumes > channel|decode > model
const FILE = (...names) => `^src/(${names.join("|")})(/|\\.)`;
const LAYERS = [["loader", "page", "board"], ["index", "bundle3d", "bundleforms", "bundlelive"], ["ui", "layout", "commands"], ["tools", "render", "volume3d"], ["state"], ["client"], ["volumes"], ["channel", "decode"], ["model"]];

const forbidden = [
  { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
  { name: "no-unresolved", severity: "error", from: {}, to: { couldNotResolve: true, pathNot: "^inline-worker:" } },
  {
    name: "only-channel-and-index-know-anywidget",
    severity: "error",
    from: { pathNot: FILE("loader", "index", "channel") },
    to: { path: "anywidget" },
  },
  {
    name: "tools-see-the-renderer-interface-only",
    severity: "error",
    from: { path: FILE("tools") },
    to: { path: "^src/render/", pathNot: "^src/render/renderer\\." },
  },
  {
    name: "render-and-tools-are-neighbours",
    severity: "error",
    from: { path: FILE("render") },
    to: { path: FILE("tools") },
  },
  {
    name: "3-D-comes-when-it-is-wanted",
    severity: "error",
    from: { path: "^src/", pathNot: "^src/(bundle3d\\.|volume3d/|ui/volume/)" },
    to: { path: "^src/(bundle3d\\.|volume3d/|ui/volume/)", dependencyTypesNot: ["type-only"] },
  },
  {
    name: "forms-come-when-they-are-wanted",
    severity: "error",
    from: { path: "^src/", pathNot: "^src/(bundleforms\\.|ui/forms/)" },
    to: { path: "^src/(bundleforms\\.|ui/forms/)", dependencyTypesNot: ["type-only"] },
  },
  {
    name: "operations-and-history-come-when-they-are-wanted",
    severity: "error",
    from: { path: "^src/", pathNot: "^src/(bundlelive\\.|ui/live/)" },
    to: { path: "^src/(bundlelive\\.|ui/live/)", dependencyTypesNot: ["type-only"] },
  },
  {
    name: "the-module-carries-its-own-code",
    severity: "error",
    from: { path: "^src/" },
    to: { path: "node_modules", pathNot: "node_modules/(zstddec|@anywidget/types)/" },
  },
];

forbidden.push({
  name: "every-file-has-a-layer",
  severity: "error",
  from: { path: "^src/", pathNot: FILE(...LAYERS.flat()) },
  to: {},
});

LAYERS.forEach((layer, depth) => {
  const above = LAYERS.slice(0, depth).flat();
  if (above.length > 0) {
    forbidden.push({
      name: `${layer.join("-")}-looks-down-only`,
      severity: "error",
      from: { path: FILE(...layer) },
      to: { path: FILE(...above) },
    });
  }
});

module.exports = {
  forbidden,
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "types"] },
  },
};
