import "element-plus/theme-chalk/base.css";
import "element-plus/theme-chalk/dark/css-vars.css";
import "./styles/tokens.css";
import "./styles/base.css";

import { createApp } from "vue";

import App from "./App.vue";
import { askEarly } from "./live/early_list";
import { loadAnewWhenPossible } from "./live/missing_part";
import { router } from "./router";

// What waits to be sent lies on the device: loading the page anew loses nothing of it.
window.addEventListener("vite:preloadError", loadAnewWhenPossible);

// The page's own file comes while the centre is asked who this is: over a slow line that is a second.
for (const record of router.resolve(window.location.pathname).matched) {
  const load = record.components?.default;
  if (typeof load === "function") void (load as () => Promise<unknown>)().catch(() => undefined);
}

if (window.location.pathname === "/phone") askEarly();

createApp(App).use(router).mount("#app");
