//! A module that counts while it runs: after each straight run of instructions, what they counted as is added to globals,
//! one for each kind, exported as `census_multiplies`, `census_adds` and so on.

use std::{collections::BTreeSet, convert::Infallible};

use anyhow::{Result, anyhow, bail};
use wasm_encoder::{
    CodeSection, ConstExpr, ExportKind, ExportSection, Function, GlobalSection, GlobalType, Instruction, Module,
    ValType,
    reencode::{Error, Reencode, utils},
};
use wasmparser::{ExportSectionReader, FunctionBody, GlobalSectionReader, Parser, Payload, TypeRef};

use crate::count::{Counts, count, name};

/// The module with counters in these functions.
pub fn instrument(bytes: &[u8], functions: &BTreeSet<u32>, imported: u32) -> Result<Vec<u8>> {
    let (mut first, mut has_globals) = (0, false);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    first += u32::from(matches!(import?.ty, TypeRef::Global(_)));
                }
            }
            Payload::GlobalSection(section) => {
                first += section.count();
                has_globals = true;
            }
            _ => {}
        }
    }
    if !has_globals {
        bail!("the module has no section of globals that counters could join");
    }
    let mut out = Module::new();
    let mut counter = Counter { functions, next: imported, first };
    counter
        .parse_core_module(&mut out, Parser::new(0), bytes)
        .map_err(|error| anyhow!("the module cannot be written anew: {error}"))?;
    Ok(out.finish())
}

struct Counter<'a> {
    functions: &'a BTreeSet<u32>,
    /// The number of the next body's function.
    next: u32,
    /// The number of the first counter.
    first: u32,
}

impl Counter<'_> {
    /// Adds what a run of instructions counted as.
    fn flush(&self, counts: &mut Counts, out: &mut Function) {
        for (place, (_, n)) in std::mem::take(counts).all().into_iter().enumerate() {
            if n > 0 {
                let global = self.first + place as u32;
                out.instruction(&Instruction::GlobalGet(global));
                out.instruction(&Instruction::I64Const(n as i64));
                out.instruction(&Instruction::I64Add);
                out.instruction(&Instruction::GlobalSet(global));
            }
        }
    }
}

/// Whether what follows may run less or more often than what came before.
fn ends_a_run(instruction: &Instruction) -> bool {
    use Instruction as I;
    matches!(
        instruction,
        I::Block(_)
            | I::Loop(_)
            | I::If(_)
            | I::Else
            | I::End
            | I::Br(_)
            | I::BrIf(_)
            | I::BrTable(..)
            | I::Return
            | I::Unreachable
            | I::Call(_)
            | I::CallIndirect { .. }
            | I::ReturnCall(_)
            | I::ReturnCallIndirect { .. }
            | I::TryTable(..)
            | I::Throw(_)
            | I::ThrowRef
            | I::BrOnNull(_)
            | I::BrOnNonNull(_)
    )
}

impl Reencode for Counter<'_> {
    type Error = Infallible;

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: GlobalSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_global_section(self, globals, section)?;
        for _ in Counts::default().all() {
            globals
                .global(GlobalType { val_type: ValType::I64, mutable: true, shared: false }, &ConstExpr::i64_const(0));
        }
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: ExportSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_export_section(self, exports, section)?;
        for (place, (kind, _)) in Counts::default().all().into_iter().enumerate() {
            exports.export(&format!("census_{kind}"), ExportKind::Global, self.first + place as u32);
        }
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Result<(), Error<Infallible>> {
        let index = self.next;
        self.next += 1;
        if !self.functions.contains(&index) {
            return utils::parse_function_body(self, code, body);
        }
        let mut out = self.new_function_with_parsed_locals(&body)?;
        let mut counts = Counts::default();
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let operator = reader.clone().read()?;
            let instruction = self.parse_instruction(&mut reader)?;
            if ends_a_run(&instruction) {
                self.flush(&mut counts, &mut out);
            }
            counts = counts + count(&name(&operator));
            out.instruction(&instruction);
        }
        code.function(&out);
        Ok(())
    }
}
