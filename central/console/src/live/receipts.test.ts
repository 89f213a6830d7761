import assert from "node:assert/strict";
import test from "node:test";

import { Receipts } from "./receipts.ts";

function made(visible = true) {
  const world = { visible, away: false, told: [] as string[], unreceived: [] as string[] };
  const receipts = new Receipts(
    {
      unreceived: async () => {
        if (world.away) throw new Error("away");
        return world.unreceived;
      },
      received: async (id) => {
        if (world.away) throw new Error("away");
        world.told.push(id);
        return true;
      },
    },
    () => world.visible,
  );
  return { world, receipts };
}

test("a notice on a visible page is received at once, and once", async () => {
  const { world, receipts } = made();
  await receipts.take("a");
  await receipts.tell();
  assert.deepEqual(world.told, ["a"]);
});

test("a page that nobody can see receives nothing until it is looked at", async () => {
  const { world, receipts } = made(false);
  await receipts.take("a");
  assert.deepEqual(world.told, []);
  world.visible = true;
  await receipts.tell();
  assert.deepEqual(world.told, ["a"]);
});

test("what could not be told is told when the centre is there again", async () => {
  const { world, receipts } = made();
  world.away = true;
  await receipts.take("a");
  assert.equal(receipts.waiting, 1);
  world.away = false;
  world.unreceived = ["a", "b"];
  await receipts.catchUp();
  assert.deepEqual(world.told, ["a", "b"]);
  assert.equal(receipts.waiting, 0);
});

test("a notice that comes while another is told is told as well", async () => {
  const { world, receipts } = made();
  await Promise.all([receipts.take("a"), receipts.take("b")]);
  assert.deepEqual(world.told, ["a", "b"]);
});

test("after the person has gone nothing of theirs is told", async () => {
  const { world, receipts } = made(false);
  await receipts.take("a");
  receipts.forget();
  world.visible = true;
  await receipts.tell();
  assert.deepEqual(world.told, []);
});
