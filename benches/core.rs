//! Speed of the pure core, without any socket: `cargo bench`.

fn main() {
    divan::main();
}
