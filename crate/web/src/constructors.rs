//! The module's constructors: code that crates below (cubecl's `inventory`) want run before everything else.
//!
//! A linker that finds no call to them in a wasm program takes it for a command and puts a call before *every*
//! exported function, however small: each value that crosses to JavaScript would then run them all again, at a
//! third of a millisecond and a little memory each time. Calling them once, here, is what tells it not to.

/// Runs the constructors. To be called once, first.
#[cfg(target_family = "wasm")]
#[allow(unsafe_code)] // There is no other way to name a function that the linker makes.
pub(super) fn run() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the linker defines it, without arguments or result; nothing has run before that it could upset.
    unsafe { __wasm_call_ctors() }
}

/// Natively the loader has run them.
#[cfg(not(target_family = "wasm"))]
pub(super) fn run() {}
