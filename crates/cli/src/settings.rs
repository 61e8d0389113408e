//! Settings of a method from the options of a command.

use anyhow::Result;
use rankine_method::Fields;
use rankine_run::parse_change;

/// Those of `--set KEY=VALUE`; `--rank` and `--alpha` win over them.
pub fn settings(changes: &[String], rank: Option<usize>, alpha: Option<f32>) -> Result<Fields> {
    let mut fields = Fields::new();
    for change in changes {
        let (key, value) = parse_change(change)?;
        fields.insert(key.to_owned(), value);
    }
    if let Some(rank) = rank {
        fields.insert("rank".to_owned(), i64::try_from(rank)?.into());
    }
    if let Some(alpha) = alpha {
        fields.insert("alpha".to_owned(), f64::from(alpha).into());
    }
    Ok(fields)
}
