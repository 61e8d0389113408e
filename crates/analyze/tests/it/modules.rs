//! Modules of small graphs.

use rankine_analyze::interaction::{Edges, Graph};
use rankine_random::Rng;

#[test]
fn two_triangles_with_a_bridge_are_two_modules() {
    let edges = [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5), (2, 3)];
    let graph = Graph::new(6, edges.map(|(one, other)| (one, other, 1.0)));
    let found = graph.modules(1.0, &Rng::new(1));
    assert_eq!(found.module, [0, 0, 0, 1, 1, 1]);
    // 2·(3/7 − (7/14)²).
    assert!((found.modularity - 5.0 / 14.0).abs() < 1e-12, "{}", found.modularity);
    assert!((graph.modularity(&[0; 6], 1.0)).abs() < 1e-12);
    assert_eq!(found.members()[1], [(0, 3), (0, 4), (0, 5)]);
}

#[test]
fn small_graphs_get_the_best_partition() {
    let mut rng = Rng::new(7);
    let nodes = 5;
    for trial in 0..8 {
        let mut edges = Vec::new();
        for one in 0..nodes {
            for other in one..nodes {
                if rng.uniform() < 0.5 {
                    edges.push((one, other, rng.uniform_f64()));
                }
            }
        }
        let graph = Graph::new(nodes, edges);
        let partitions = (0..nodes.pow(nodes as u32)).map(|code| {
            let module = (0..nodes as u32).map(|node| code / nodes.pow(node) % nodes);
            graph.modularity(&module.collect::<Vec<_>>(), 1.0)
        });
        let best = partitions.fold(f64::NEG_INFINITY, f64::max);
        let found = graph.modules(1.0, &Rng::new(trial)).modularity;
        assert!(best - 0.02 < found && found < best + 1e-12, "{trial}: {found} of {best}");
    }
}

#[test]
fn a_graph_without_edges_has_no_modularity() {
    let found = Graph::new(3, []).modules(1.0, &Rng::new(0));
    assert_eq!((found.count(), found.modularity), (3, 0.0));
    assert_eq!(Graph::of(&[]).modules(1.0, &Rng::new(0)).count(), 0);
}

#[test]
fn features_are_joined_from_layer_to_layer() {
    let edges = [
        Edges { from: 0, features: 2, strengths: vec![vec![3.0, 0.0], vec![0.0, 1.0]] },
        Edges { from: 1, features: 2, strengths: vec![vec![1.0, 0.0], vec![0.0, 1.0]] },
    ];
    let found = Graph::of(&edges).modules(1.0, &Rng::new(0));
    assert_eq!(found.members(), [[(0, 0), (1, 0), (2, 0)], [(0, 1), (1, 1), (2, 1)]]);
    assert_eq!(edges[0].strongest(1), [(0, 0, 3.0)]);
    // Of a weight of 2, 5/4 and 3/4 lie within.
    let expected = 1.0 - (5.0_f64 / 8.0).powi(2) - (3.0_f64 / 8.0).powi(2);
    assert!((found.modularity - expected).abs() < 1e-12);
}
