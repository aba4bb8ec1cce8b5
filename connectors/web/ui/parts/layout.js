// Where the blocks of the live line stand: flow order, wrapped to the width there is.

export const BLOCK = { width: 168, height: 132 };
const BUFFER_W = 50;
const CELL_W = BLOCK.width + BUFFER_W;
const ROW_GAP = 46;
const TOP = 22; // room for the flag above the first row

/** Work units so that every one comes after those that feed it. */
export function flowOrder(units, zones) {
  const feeders = new Map(units.map((u) => [u.id, zones.filter((z) => z.downstream === u.id).map((z) => z.upstream)]));
  const placed = new Set();
  const order = [];
  while (order.length < units.length) {
    const next = units.filter((u) => !placed.has(u.id) && feeders.get(u.id).every((f) => placed.has(f) || !feeders.has(f)));
    const some = next.length ? next : units.filter((u) => !placed.has(u.id)).slice(0, 1);
    some.forEach((u) => { placed.add(u.id); order.push(u); });
  }
  return order;
}

/** Positions of blocks and buffers, the path of each buffer's conveyor, and the size of it all. */
export function layout(plant, width) {
  const order = flowOrder(plant.work_units, plant.storage_zones);
  const perRow = Math.max(1, Math.min(order.length, Math.floor((width - 2) / CELL_W)));
  const rows = Math.ceil(order.length / perRow);
  const balanced = Math.ceil(order.length / rows);
  const step = Math.max(CELL_W, Math.min((width - 2) / balanced, CELL_W + 34));
  const blocks = {};
  order.forEach((unit, i) => {
    blocks[unit.id] = {
      unit,
      row: Math.floor(i / balanced),
      x: (i % balanced) * step + step - BLOCK.width,
      y: TOP + Math.floor(i / balanced) * (BLOCK.height + ROW_GAP),
    };
  });
  const buffers = plant.storage_zones
    .filter((z) => blocks[z.upstream] && blocks[z.downstream])
    .map((zone, i, all) => place(zone, all.filter((z) => z.downstream === zone.downstream), blocks, step - BLOCK.width));
  return {
    blocks: order.map((u) => blocks[u.id]),
    buffers,
    width: balanced * step + 2,
    height: TOP + rows * BLOCK.height + (rows - 1) * ROW_GAP + 8,
  };
}

function place(zone, siblings, blocks, gap) {
  const from = blocks[zone.upstream];
  const to = blocks[zone.downstream];
  const share = (siblings.indexOf(zone) + 1) / (siblings.length + 1);
  const y = to.y + BLOCK.height * share;
  const x = to.x - gap / 2;
  const start = { x: from.x + BLOCK.width, y: from.y + BLOCK.height / 2 };
  const direct = from.row === to.row && Math.abs(start.x + gap - to.x) < 1;
  const turn = from.y + BLOCK.height + ROW_GAP / 2;
  const path = direct
    ? `M${start.x} ${y}H${to.x}`
    : `M${from.x + BLOCK.width / 2} ${from.y + BLOCK.height}V${turn}H${Math.max(4, x - gap / 2 + 4)}V${y}H${to.x}`;
  return { zone, x, y, path, direct, from: start };
}

/** Words of a name in at most two lines of about `max` characters. */
export function twoLines(name, max, firstMax = max) {
  if (name.length <= firstMax) return [name];
  const words = name.split(" ");
  let first = words.shift();
  while (words.length && `${first} ${words[0]}`.length <= firstMax) first += ` ${words.shift()}`;
  const rest = words.join(" ");
  return rest ? [first, rest.length > max ? `${rest.slice(0, max - 1)}…` : rest] : [first];
}
