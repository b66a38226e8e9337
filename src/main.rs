//! The `coupa-batch` program. Everything that it does is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    coupa_batch::cli::main()
}
