//! The margin rule.

use routelab_eval::{Rule, choose};

use crate::common::{clusters, fit, settings_for};

fn choices(delta: f64, base: &str, budget: f64) -> Vec<usize> {
    let (train, test) = (clusters(60, 1), clusters(20, 2));
    let settings = format!("delta = {delta:?}\nbase = {{ {base} }}");
    let fitted = fit("margin-rule", &settings, &train);
    let rule = Rule {
        decision: fitted.decision(),
        ..Rule::default()
    };
    choose(&fitted.predict(&test.embeddings).unwrap(), budget, &rule)
}

#[test]
fn without_a_margin_it_is_its_base() {
    let (train, test) = (clusters(60, 1), clusters(20, 2));
    for kind in ["knn", "linear"] {
        let base = fit(kind, settings_for(kind), &train);
        let expected = base.predict(&test.embeddings).unwrap();
        for budget in [1.0, 1.6, 5.0, f64::INFINITY] {
            let found = choices(0.0, &format!("kind = '{kind}'"), budget);
            assert_eq!(found, choose(&expected, budget, &Rule::default()));
        }
    }
}

#[test]
fn a_larger_margin_chooses_cheaper() {
    // k = 1 predicts 0 or 1: nothing is within 0.9 but everything within 1, and model 0 is the cheapest.
    let base = "kind = 'knn', k = 1";
    let right: Vec<usize> = (0..20).map(|row| row % 2).collect();
    assert_eq!(choices(0.9, base, f64::INFINITY), right);
    assert_eq!(choices(1.0, base, f64::INFINITY), [0; 20]);
}
