use super::*;

/// Exports one function that calls, in turn, whatever the census has to follow and not to follow.
const MODULE: &str = r#"
(module
  (import "js" "now" (func $now (result f64)))
  (type $job (func (param i32) (result i32)))
  (global $top (mut i32) (i32.const 0))
  (table 2 funcref)
  (elem (i32.const 0) $job)
  (func $job (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))
  (func $dies (drop (i32.div_u (i32.const 1) (i32.const 2))))
  (func $aside (drop (f32.sqrt (f32.const 2))))
  (func (export "direct") (param i32) (result i32)
    (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (i32.shl (local.get 0) (i32.const 1))))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (if (i32.eqz (local.get $sum)) (then (call $dies) (unreachable)))
    (drop (call $now))
    (local.get $sum))
  (func (export "through_a_table") (param i32) (result i32)
    (call_indirect (type $job) (local.get 0) (i32.const 0)))
  (func (export "aside") (call $aside)))
"#;

fn census(export: &str) -> (Vec<String>, u64) {
    let module = Module::parse(&wat::parse_str(MODULE).unwrap()).unwrap();
    let reachable = module.reachable(&[export.to_owned()]).unwrap();
    let functions = reachable.keys().filter_map(|&index| module.function(index));
    let multiplies = functions.map(|function| function.counts().multiplies).sum();
    (reachable.keys().map(|&index| module.name(index)).collect(), multiplies)
}

#[test]
fn what_can_run_is_followed() {
    assert_eq!(census("direct"), (vec!["now (0)".to_owned(), "export direct".to_owned()], 0));
    assert_eq!(census("through_a_table").1, 1);
    assert_eq!(census("aside").1, 1);
}

#[test]
fn an_export_that_is_not_there_is_named() {
    let module = Module::parse(&wat::parse_str(MODULE).unwrap()).unwrap();
    let error = module.reachable(&["table".to_owned()]).unwrap_err().to_string();
    assert!(error.contains("exported as table") && error.contains("through_a_table"), "{error}");
}

#[test]
fn a_module_with_counters_is_valid_and_exports_them() {
    let bytes = wat::parse_str(MODULE).unwrap();
    let module = Module::parse(&bytes).unwrap();
    let functions = module.reachable(&["direct".to_owned()]).unwrap().into_keys().collect();
    let counting = instrument(&bytes, &functions, module.imported()).unwrap();
    Module::parse(&counting).unwrap();
    assert!(counting.windows(15).any(|window| window == b"census_lookups\x03"));
}
