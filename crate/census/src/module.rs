//! The functions of a module, what they call, and what can be reached from an export.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use anyhow::{Context, Result, bail};
use wasmparser::{
    CompositeInnerType, ElementItems, ExternalKind, FuncType, KnownCustom, Name, Operator, Parser, Payload, TypeRef,
};

use crate::count::{Counts, count, name};

/// A function that the module defines.
#[derive(Default)]
pub struct Function {
    /// The number of its type: equal types have one number.
    kind: u32,
    /// How often each instruction stands in it.
    pub instructions: BTreeMap<String, u64>,
    /// Functions that it calls by number and goes on after.
    calls: BTreeSet<u32>,
    /// Types of the functions that it calls through a table.
    indirect: BTreeSet<u32>,
}

impl Function {
    /// What its instructions count as, each once.
    pub fn counts(&self) -> Counts {
        let times = |(name, &n): (&String, &u64)| (0..n).map(|_| count(name)).sum::<Counts>();
        self.instructions.iter().map(times).sum()
    }

    /// Its multiplications, and how often each stands there.
    pub fn multiplies(&self) -> impl Iterator<Item = (&str, u64)> {
        self.instructions.iter().filter(|(name, _)| count(name).multiplies > 0).map(|(name, &n)| (name.as_str(), n))
    }
}

/// A module, as far as the census asks.
#[derive(Default)]
pub struct Module {
    imports: Vec<String>,
    functions: Vec<Function>,
    exports: BTreeMap<String, u32>,
    names: HashMap<u32, String>,
    /// Functions that lie in a table, and so may be called through one.
    in_tables: BTreeSet<u32>,
}

impl Module {
    /// Reads a module. One that calls through a reference is refused, as its calls cannot be followed.
    pub fn parse(bytes: &[u8]) -> Result<Module> {
        wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all()).validate_all(bytes)?;
        let mut module = Module::default();
        let (mut types, mut kinds): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        let mut distinct: HashMap<FuncType, u32> = HashMap::new();
        let mut bodies = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        for sub_type in group?.into_types() {
                            let next = distinct.len() as u32;
                            types.push(match sub_type.composite_type.inner {
                                CompositeInnerType::Func(kind) => *distinct.entry(kind).or_insert(next),
                                _ => u32::MAX,
                            });
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        if let TypeRef::Func(_) = import.ty {
                            module.imports.push(format!("{}.{}", import.module, import.name));
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for kind in section {
                        kinds.push(types[kind? as usize]);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            module.exports.insert(export.name.to_owned(), export.index);
                        }
                    }
                }
                Payload::ElementSection(section) => {
                    for element in section {
                        match element?.items {
                            ElementItems::Functions(functions) => {
                                for function in functions {
                                    module.in_tables.insert(function?);
                                }
                            }
                            ElementItems::Expressions(_, expressions) => {
                                for expression in expressions {
                                    for operator in expression?.get_operators_reader() {
                                        if let Operator::RefFunc { function_index } = operator? {
                                            module.in_tables.insert(function_index);
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let mut function = Function { kind: kinds[bodies], ..Function::default() };
                    bodies += 1;
                    let mut operators = body.get_operators_reader()?.into_iter().peekable();
                    while let Some(operator) = operators.next() {
                        let operator = operator?;
                        *function.instructions.entry(name(&operator)).or_default() += 1;
                        // A call that does not return ends the program: nothing of it can be part of a result.
                        let returns = !matches!(operators.peek(), Some(Ok(Operator::Unreachable)));
                        match operator {
                            Operator::Call { function_index } if returns => {
                                function.calls.insert(function_index);
                            }
                            Operator::ReturnCall { function_index } => {
                                function.calls.insert(function_index);
                            }
                            Operator::CallIndirect { type_index, .. } if returns => {
                                function.indirect.insert(types[type_index as usize]);
                            }
                            Operator::ReturnCallIndirect { type_index, .. } => {
                                function.indirect.insert(types[type_index as usize]);
                            }
                            Operator::CallRef { .. } | Operator::ReturnCallRef { .. } => {
                                bail!("function {} calls through a reference", module.functions.len());
                            }
                            _ => {}
                        }
                    }
                    module.functions.push(function);
                }
                Payload::CustomSection(section) => {
                    if let KnownCustom::Name(names) = section.as_known() {
                        for part in names {
                            if let Ok(Name::Function(functions)) = part {
                                for naming in functions.into_iter().flatten() {
                                    module.names.insert(naming.index, naming.name.to_owned());
                                }
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(module)
    }

    /// The function of a number; `None` for an import.
    pub fn function(&self, index: u32) -> Option<&Function> {
        self.functions.get((index as usize).checked_sub(self.imports.len())?)
    }

    /// What a function is called: its name in the module where it has one, else its number.
    pub fn name(&self, index: u32) -> String {
        match (self.names.get(&index), self.imports.get(index as usize)) {
            (Some(name), _) => format!("{name} ({index})"),
            (None, Some(import)) => format!("import {import}"),
            (None, None) => match self.exports.iter().find(|(_, exported)| **exported == index) {
                Some((export, _)) => format!("export {export}"),
                None => format!("function {index}"),
            },
        }
    }

    /// How many functions are imported: the numbers of others follow theirs.
    pub fn imported(&self) -> u32 {
        self.imports.len() as u32
    }

    /// Every function that can run once these exports are called, each with the function that led to it. A call through
    /// a table is taken for a call of everything of its type that lies in any.
    pub fn reachable(&self, exports: &[String]) -> Result<BTreeMap<u32, Option<u32>>> {
        let mut found = BTreeMap::new();
        let mut open = VecDeque::new();
        for export in exports {
            let index = *self.exports.get(export).with_context(|| {
                let near: Vec<_> = self.exports.keys().filter(|name| name.contains(export.as_str())).take(5).collect();
                format!("no function is exported as {export}; like it are: {near:?}")
            })?;
            found.entry(index).or_insert(None);
            open.push_back(index);
        }
        while let Some(caller) = open.pop_front() {
            let Some(function) = self.function(caller) else { continue };
            let through_tables = self
                .in_tables
                .iter()
                .filter(|index| self.function(**index).is_some_and(|callee| function.indirect.contains(&callee.kind)));
            for &callee in function.calls.iter().chain(through_tables) {
                found.entry(callee).or_insert_with(|| {
                    open.push_back(callee);
                    Some(caller)
                });
            }
        }
        Ok(found)
    }
}
