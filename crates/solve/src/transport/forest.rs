//! A preconditioner of Newton's system where few entries are kept: the system of a spanning forest of the largest of them.
//!
//!     M = diag(rest) + Σ_forest P_ij · (e_i + e_{n+j}) · (e_i + e_{n+j})ᵀ
//!
//! Near a vertex of the polytope entries differ by many orders of magnitude, and the forest, which has the largest path between
//! any two nodes, is nearly the whole system. Nodes are eliminated from the leaves on, which makes no new entries: O(n + m) a
//! product. Building it sorts what is kept. After Vaidya's preconditioners of graph Laplacians (1990); with the sign of one side
//! turned this matrix is one.

/// The forest, eliminated.
#[derive(Clone, Debug, Default)]
pub struct Forest {
    /// Nodes, each after its parent; rows are 0 … n − 1, columns follow.
    order: Vec<usize>,
    /// Of each node; a root is its own.
    parent: Vec<usize>,
    /// Of the edge to the parent; 0 at a root.
    weight: Vec<f64>,
    /// Of the elimination.
    pivot: Vec<f64>,
}

impl Forest {
    /// Of the heaviest edges (weight, node, node) that make no cycle.
    pub fn new(mut edges: Vec<(f64, usize, usize)>, rest: &[f64]) -> Self {
        edges.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let mut tree: Vec<usize> = (0..rest.len()).collect();
        let mut neighbours = vec![Vec::new(); rest.len()];
        for (weight, a, b) in edges.into_iter().filter(|edge| 0.0 < edge.0) {
            let (left, right) = (find(&mut tree, a), find(&mut tree, b));
            if left != right {
                tree[left] = right;
                neighbours[a].push((b, weight));
                neighbours[b].push((a, weight));
            }
        }
        let mut forest = Self::rooted(&neighbours);
        forest.eliminate(rest);
        forest
    }

    /// out ← M⁻¹·r.
    pub fn apply(&self, r: &[f64], out: &mut [f64]) {
        out.copy_from_slice(r);
        for &node in self.order.iter().rev() {
            let parent = self.parent[node];
            if parent != node {
                out[parent] -= self.weight[node] / self.pivot[node] * out[node];
            }
        }
        for &node in &self.order {
            let parent = self.parent[node];
            let above = if parent == node { 0.0 } else { self.weight[node] * out[parent] };
            let pivot = self.pivot[node];
            out[node] = if 0.0 < pivot { (out[node] - above) / pivot } else { 0.0 };
        }
    }

    fn rooted(neighbours: &[Vec<(usize, f64)>]) -> Self {
        let count = neighbours.len();
        let (mut order, mut parent) = (Vec::with_capacity(count), vec![usize::MAX; count]);
        let (mut weight, mut waiting) = (vec![0.0; count], Vec::new());
        for root in 0..count {
            if parent[root] == usize::MAX {
                parent[root] = root;
                waiting.push(root);
            }
            while let Some(node) = waiting.pop() {
                order.push(node);
                for &(next, heavy) in &neighbours[node] {
                    if next != parent[node] {
                        (parent[next], weight[next]) = (node, heavy);
                        waiting.push(next);
                    }
                }
            }
        }
        Self { order, parent, weight, pivot: Vec::new() }
    }

    /// A pivot is the edge to the parent plus what is left of the node, so that nothing cancels.
    fn eliminate(&mut self, rest: &[f64]) {
        let mut left = rest.to_vec();
        for &node in self.order.iter().rev() {
            let (parent, weight) = (self.parent[node], self.weight[node]);
            if parent != node {
                left[parent] += weight * left[node] / (weight + left[node]);
            }
        }
        self.pivot = left.iter().zip(&self.weight).map(|(left, weight)| left + weight).collect();
    }
}

/// The root of a node's tree, to which the nodes on the way are moved nearer.
fn find(tree: &mut [usize], mut node: usize) -> usize {
    while tree[node] != node {
        tree[node] = tree[tree[node]];
        node = tree[node];
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_solves_the_system_of_the_heaviest_edges() {
        let edges =
            [(3.0, 0, 4), (1e-9, 1, 4), (2.0, 1, 5), (0.5, 2, 5), (0.4, 0, 6), (1e-12, 2, 6), (0.0, 3, 6)];
        let rest = [1e-10, 0.2, 1e-10, 0.0, 1e-11, 1e-10, 0.0, 0.7];
        let forest = Forest::new(edges.to_vec(), &rest);
        let r = [1.0, -2.0, 0.5, 0.0, 1.5, -1.0, 0.25, 7.0];
        let mut x = [0.0; 8];
        forest.apply(&r, &mut x);
        let mut product: Vec<f64> = rest.iter().zip(&x).map(|(rest, x)| rest * x).collect();
        // The sixth edge closes a cycle, the last has no weight.
        for &(weight, a, b) in &edges[..5] {
            let flow = weight * (x[a] + x[b]);
            product[a] += flow;
            product[b] += flow;
        }
        for (found, r) in product.iter().zip(&r) {
            assert!((found - r).abs() < 1e-6, "{product:?}");
        }
        assert_eq!((x[3], x[7]), (0.0, 10.0));
    }
}
