import "element-plus/theme-chalk/base.css";
import "element-plus/theme-chalk/dark/css-vars.css";
import "./styles/tokens.css";
import "./styles/base.css";

import { createApp } from "vue";

import App from "./App.vue";
import { loadAnewWhenPossible } from "./live/missing_part";
import { router } from "./router";

// What waits to be sent lies on the device: loading the page anew loses nothing of it.
window.addEventListener("vite:preloadError", loadAnewWhenPossible);

createApp(App).use(router).mount("#app");
