//! Runs an experiment without a language model and writes its page: `cargo run -p rankine-lab --example reproduce --
//! pissa page.html [full]`.

use rankine_lab::{Materials, Scale, experiment};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let paper = words.next().unwrap_or_else(|| "pissa".to_owned());
    let path = words.next().unwrap_or_else(|| "page.html".to_owned());
    let scale = if words.next().is_some_and(|word| word == "full") { Scale::Full } else { Scale::Quick };
    let claim = experiment(&paper)?.run(scale, &Materials::default(), &mut |_| {})?;
    fs_err::write(&path, claim.page.html())?;
    fs_err::write(std::path::Path::new(&path).with_extension("txt"), claim.page.terminal(120, false))?;
    fs_err::write(std::path::Path::new(&path).with_extension("json"), format!("{:#}\n", claim.numbers))?;
    Ok(())
}
