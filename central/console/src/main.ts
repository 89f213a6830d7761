import "element-plus/theme-chalk/base.css";
import "element-plus/theme-chalk/dark/css-vars.css";
import "./styles/tokens.css";
import "./styles/base.css";

import { createApp } from "vue";

import App from "./App.vue";
import { router } from "./router";

// A new version has been started in another window: the files of this one are gone. What waits lies on the device.
window.addEventListener("vite:preloadError", () => location.reload());

createApp(App).use(router).mount("#app");
