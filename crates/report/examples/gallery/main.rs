//! Writes sample reports to look at: `cargo run -p assize-report --example gallery -- FOLDER`.

mod sample;

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).unwrap_or_else(|| "target/gallery".into());
    fs::create_dir_all(&folder)?;
    for (name, results) in sample::all() {
        let path = Path::new(&folder).join(name);
        fs::write(path.with_extension("html"), report::html(&results))?;
        fs::write(path.with_extension("json"), report::json(&results))?;
        fs::write(path.with_extension("xml"), report::junit(&results))?;
        println!("{}", report::terminal(&results, 100, report::Colour::On));
    }
    println!("written to {folder}");
    Ok(())
}
