// Nothing has to be set but how modules load each other: workers import what they need when they need it.
export default { base: "./", worker: { format: "es" }, build: { target: "es2022" } };
