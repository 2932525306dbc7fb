/** What an operation would change, in words. */
import { cross, dot, type GridGeometry, type Vec3 } from "../../model/geometry";

export const whole = new Intl.NumberFormat("en");

/** "+1,234 voxels (1.2 ml), −30 voxels". */
export function changeText(count: number, erased: number, voxelMm3: number | null): string {
  const part = (sign: string, n: number): string => {
    const ml = voxelMm3 === null ? "" : ` (${((n * voxelMm3) / 1000).toPrecision(3)} ml)`;
    return `${sign}${whole.format(n)} ${n === 1 ? "voxel" : "voxels"}${ml}`;
  };
  return [count - erased > 0 ? part("+", count - erased) : "", erased > 0 ? part("−", erased) : ""].filter(Boolean).join(", ");
}

/** "; takes 120 voxels from liver"; nothing where no other label loses any. */
export function takenText(taken: Readonly<Record<string, number>>): string {
  const parts = Object.entries(taken).map(([label, n]) => `${whole.format(n)} ${n === 1 ? "voxel" : "voxels"} from ${label}`);
  return parts.length > 0 ? `; takes ${parts.join(", ")}` : "";
}

/** Mm³ of a voxel; null where it has none. */
export function voxelVolume(geometry: GridGeometry): number | null {
  if (geometry.kind !== "grid") return null;
  const [a, b, c] = ([[1, 0, 0], [0, 1, 0], [0, 0, 1]] as const).map((step) => geometry.stepToWorld(step, 0)) as [Vec3, Vec3, Vec3];
  return Math.abs(dot(cross(a, b), c));
}
