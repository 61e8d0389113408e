//! An adapter whose modules are called otherwise in the files of its base.

use super::{Adapter, Selection, Targets};

impl Adapter {
    /// Gives modules other names: in the changes, the whole tensors, and the configuration, which names the adapted modules one
    /// by one from then on. Where all names stay, so does the configuration.
    pub fn rename(&mut self, name: impl Fn(&str) -> String) {
        let mut names = self.low_rank.keys().chain(self.replaced.keys()).chain(self.new_rows.keys());
        if names.all(|old| name(old) == *old) {
            return;
        }
        self.low_rank = self.low_rank.drain(..).map(|(path, change)| (name(&path), change)).collect();
        self.replaced = self.replaced.drain(..).map(|(path, value)| (name(&path), value)).collect();
        self.new_rows = self.new_rows.drain(..).map(|(path, rows)| (name(&path), rows)).collect();
        let config = &mut self.config;
        config.targets = Targets {
            modules: Selection::of_paths(self.low_rank.keys()),
            saved: config.targets.saved.iter().map(|module| name(module)).collect(),
            ..Targets::default()
        };
        let ranks = config.rank_pattern.drain(..);
        config.rank_pattern = ranks.map(|(key, rank)| (renamed_key(&key, &name), rank)).collect();
        let alphas = config.alpha_pattern.drain(..);
        config.alpha_pattern = alphas.map(|(key, alpha)| (renamed_key(&key, &name), alpha)).collect();
    }
}

/// The key of a pattern that is a whole name, as those written here are; others stay.
fn renamed_key(key: &str, name: impl Fn(&str) -> String) -> String {
    match key.strip_prefix('^') {
        Some(whole) => format!("^{}", name(&whole.replace(r"\.", ".")).replace('.', r"\.")),
        None => key.to_owned(),
    }
}
