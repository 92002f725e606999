//! TypeScript declarations of everything that crosses to JavaScript, made from the Rust types.

use std::any::TypeId;
use std::collections::HashSet;

use patchlab::analyses::Analysis;
use patchlab::device::DevicePreference;
use patchlab::figures::Report;
use patchlab::host::Progress;
use patchlab::notebook::NotebookRequest;
use patchlab::presets::Preset;
use patchlab::protocol::{Checked, Opened, Preview, StoredModel};
use patchlab::{Experiment, Request};
use ts_rs::{Config, TS, TypeVisitor};

/// The text of `www/types/engine.d.ts`: the types that the module's functions take and return, each followed by the
/// types that it is made of.
pub(crate) fn declarations() -> String {
    let mut declarations = Declarations {
        config: Config::new(),
        seen: HashSet::new(),
        text: "// Made by `cargo xtask types` from the Rust types. Do not edit.\n".to_owned(),
    };
    declarations.visit::<Experiment>();
    declarations.visit::<Preset>();
    declarations.visit::<Analysis>();
    declarations.visit::<Request>();
    declarations.visit::<NotebookRequest>();
    declarations.visit::<Report>();
    declarations.visit::<Preview>();
    declarations.visit::<Checked>();
    declarations.visit::<Opened>();
    declarations.visit::<Progress>();
    declarations.visit::<StoredModel>();
    declarations.visit::<DevicePreference>();
    declarations.text
}

/// Writes each type that it visits once.
struct Declarations {
    config: Config,
    seen: HashSet<TypeId>,
    text: String,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        // Numbers, texts, lists and options have no declaration of their own.
        if T::output_path().is_some() {
            match T::docs() {
                Some(docs) => self.text.push_str(&format!("\n{}", docs.trim_start())),
                None => self.text.push('\n'),
            }
            self.text.push_str(&format!("export {}\n", T::decl(&self.config)));
        }
        T::visit_dependencies(self);
    }
}
