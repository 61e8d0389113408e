//! Models whose output head is the input embedding.
//!
//! The two are one matrix until an adapter changes one of them, or both in different ways; then the head becomes a
//! tensor of its own. What peft does, by part of the adapter:
//!
//! | part | embedding | head |
//! | --- | --- | --- |
//! | LoRA on one of them | its own | its own |
//! | a base saved along with either | that base | that base |
//! | a residual taken out of the head | the residual | the residual |
//! | `modules_to_save` | its own | its own |
//! | new rows of the embedding | these | these, unless it has some of its own |

use super::recipe::{Recipe, Source};
use indexmap::IndexMap;
use rankine_checkpoint::adapter::{Adapter, LayerKind, LowRank, Origin};
use rankine_checkpoint::{Tensors, ends::HEAD};

/// Gives both ends what they share, and drops the head's recipe where it is that of the embedding, `table`.
pub(super) fn settle<'a>(
    base: &dyn Tensors,
    adapter: &'a Adapter,
    table: &str,
    recipes: &mut IndexMap<String, Recipe<'a>>,
) {
    let Some(info) = base.infos().get(table) else { return };
    if !recipes.contains_key(table) && !recipes.contains_key(HEAD) {
        return;
    }
    let mut take = |name| recipes.shift_remove(name).unwrap_or_else(|| Recipe::of_base(table, info));
    let (mut embedding, mut head) = (take(table), take(HEAD));
    let given = |name: &str, origin| adapter.replaced.get(name).filter(|given| given.origin == origin);
    // Of two bases peft keeps the one that it loads last, the head's.
    let shared = given(HEAD, Origin::Base).map(|_| head.source);
    if let Some(source) = shared.or_else(|| given(table, Origin::Base).map(|_| embedding.source)) {
        for (name, end) in [(table, &mut embedding), (HEAD, &mut head)] {
            if given(name, Origin::Module).is_none() {
                (end.source, end.residual) = (source, None);
            }
        }
    }
    if given(table, Origin::Module).is_none() {
        embedding.residual.clone_from(&head.residual);
    }
    head.rows = head.rows.or(embedding.rows);
    let (same, plain) = (is_same(&embedding, &head), is_untouched(&embedding));
    if !plain {
        recipes.insert(table.to_owned(), embedding);
    }
    if !same {
        recipes.insert(HEAD.to_owned(), head);
    }
}

fn is_untouched(recipe: &Recipe) -> bool {
    let Recipe { source, residual, branch, rows, bias, .. } = recipe;
    matches!(source, Source::Base)
        && residual.is_none()
        && branch.is_none()
        && rows.is_none()
        && bias.is_none()
}

fn is_same(embedding: &Recipe, head: &Recipe) -> bool {
    let source = match (embedding.source, head.source) {
        (Source::Base, Source::Base) | (Source::Zeros, Source::Zeros) => true,
        (Source::Given(left), Source::Given(right)) => left == right,
        _ => false,
    };
    let branch = match (&embedding.branch, &head.branch) {
        (None, None) => true,
        (Some(left), Some(right)) => is_same_change(left.low_rank, right.low_rank),
        _ => false,
    };
    // Bases and residuals are shared unless a module was trained whole, which a residual is not.
    source && branch && embedding.rows == head.rows && embedding.residual.is_some() == head.residual.is_some()
}

/// With `ensure_weight_tying` the factors of one end are the transposes of the other's.
pub(crate) fn is_same_change(left: &LowRank, right: &LowRank) -> bool {
    // DoRA's norms are over columns here and over rows there.
    let plain = left.magnitude.is_none() && right.magnitude.is_none();
    plain
        && left.kind != right.kind
        && right.kind == LayerKind::Linear
        && (left.rank, left.scaling) == (right.rank, right.scaling)
        && (left.inputs, left.outputs) == (right.outputs, right.inputs)
        && is_transpose(&left.a, &right.b, left.rank)
        && is_transpose(&right.a, &left.b, left.rank)
}

/// Whether `wide` [rank, n] is the transpose of `tall` [n, rank].
fn is_transpose(wide: &[f32], tall: &[f32], rank: usize) -> bool {
    let length = tall.len() / rank;
    (0..tall.len()).all(|i| tall[i] == wide[i % rank * length + i / rank])
}
