//! TypeScript declarations of everything that crosses to JavaScript, made from the Rust types.

use std::any::TypeId;
use std::collections::{BTreeMap, HashSet};

use patchlab::analyses::Analysis;
use patchlab::device::DevicePreference;
use patchlab::figures::Report;
use patchlab::host::Progress;
use patchlab::notebook::NotebookRequest;
use patchlab::presets::Preset;
use patchlab::protocol::{Checked, Opened, Preview, ReadCircuit, StoredModel, WriteCircuit};
use patchlab::{Experiment, Request};
use ts_rs::{Config, TS, TypeVisitor};

/// The text of `www/types/engine.d.ts`: the types that the module's functions take and return and all that they are made
/// of, by name. (ts-rs visits a type's fields in an order that differs from one compilation to the next.)
pub(crate) fn declarations() -> String {
    let mut declarations =
        Declarations { config: Config::new(), seen: HashSet::new(), texts: BTreeMap::new() };
    declarations.visit::<Experiment>();
    declarations.visit::<Preset>();
    declarations.visit::<Analysis>();
    declarations.visit::<Request>();
    declarations.visit::<NotebookRequest>();
    declarations.visit::<Report>();
    declarations.visit::<Preview>();
    declarations.visit::<Checked>();
    declarations.visit::<ReadCircuit>();
    declarations.visit::<WriteCircuit>();
    declarations.visit::<Opened>();
    declarations.visit::<Progress>();
    declarations.visit::<StoredModel>();
    declarations.visit::<DevicePreference>();
    let header = "// Made by `cargo xtask types` from the Rust types. Do not edit.\n";
    [header.to_owned()].into_iter().chain(declarations.texts.into_values()).collect()
}

/// Collects the declaration of each type that it visits.
struct Declarations {
    config: Config,
    seen: HashSet<TypeId>,
    texts: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        // Numbers, texts, lists and options have no declaration of their own.
        if T::output_path().is_some() {
            let docs = T::docs().map_or_else(String::new, |docs| docs.trim_start().to_owned());
            let text = format!("\n{docs}export {}\n", T::decl(&self.config));
            self.texts.insert(T::name(&self.config), text);
        }
        T::visit_dependencies(self);
    }
}
