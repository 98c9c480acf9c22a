import { mount } from "svelte";
import App from "./App.svelte";
import "./page.css";

const target = document.getElementById("app");
// In a task of its own: together with the scripts that were just read it would hold up whatever else the page does.
if (target) setTimeout(() => mount(App, { target }));
