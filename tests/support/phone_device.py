"""What a phone has of the program, and what it keeps: read on the device, not on the page."""

from __future__ import annotations

from playwright.sync_api import Page


def is_installed(page: Page) -> None:
    """Not by `serviceWorker.ready`: a page that was opened as /login lies outside the scope and waits for ever."""
    scope = page.evaluate(
        """async () => {
          for (let tries = 0; tries < 400; tries += 1) {
            const known = await navigator.serviceWorker.getRegistration("/phone");
            if (known?.active) return new URL(known.scope).pathname;
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
          return null;
        }"""
    )
    assert scope == "/phone"


def kept_on(page: Page) -> dict[str, int]:
    """How many records each table on the device has."""
    return dict(
        page.evaluate(
            """async () => {
              const db = await new Promise((resolve, reject) => {
                const asked = indexedDB.open("xueliang-phone");
                asked.onsuccess = () => resolve(asked.result);
                asked.onerror = () => reject(asked.error);
              });
              const counts = {};
              for (const name of db.objectStoreNames) {
                counts[name] = await new Promise((resolve) => {
                  const asked = db.transaction(name).objectStore(name).count();
                  asked.onsuccess = () => resolve(asked.result);
                });
              }
              db.close();
              return counts;
            }"""
        )
    )


def keeps_tasks(page: Page, count: int) -> bool:
    """Whether so many tasks are written down for the time without a signal."""
    found: int = page.evaluate(
        """async () => {
          const db = await new Promise((resolve, reject) => {
            const asked = indexedDB.open("xueliang-phone");
            asked.onsuccess = () => resolve(asked.result);
            asked.onerror = () => reject(asked.error);
          });
          const row = await new Promise((resolve) => {
            const asked = db.transaction("singles").objectStore("singles").get("seen");
            asked.onsuccess = () => resolve(asked.result);
          });
          db.close();
          return row?.seen?.tasks?.length ?? 0;
        }"""
    )
    return found == count


def cached(page: Page) -> list[str]:
    """Path of everything in every cache of the device."""
    return list(
        page.evaluate(
            """async () => {
              const found = [];
              for (const name of await caches.keys())
                for (const one of await (await caches.open(name)).keys()) found.push(new URL(one.url).pathname);
              return found;
            }"""
        )
    )
