//! The `chuan` program: nothing but [`chuan::cli::main`].

fn main() -> std::process::ExitCode {
    chuan::cli::main()
}
