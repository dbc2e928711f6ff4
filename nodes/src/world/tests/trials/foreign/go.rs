//! `go test`, where Go is.

use super::{Sample, believed_less, is, never_fixed, on_path};
use crate::types::VerdictStatus;

#[test]
fn go_is_judged_where_go_is() {
    if !on_path("go") {
        eprintln!("go is not on PATH: nothing is tried");
        return;
    }
    let sample = Sample {
        files: vec![
            ("go.mod", "module example.com/shop\n\ngo 1.18\n"),
            (
                "cart.go",
                "package shop\n\nfunc First(prices []int) int {\n\treturn prices[0]\n}\n\nfunc Count(prices []int) int { return len(prices) }\n",
            ),
            (
                "cart_test.go",
                "package shop\n\nimport \"testing\"\n\nfunc TestFirst(t *testing.T) {\n\tif First([]int{4}) != 4 {\n\t\tt.Fatal(\"first\")\n\t}\n}\n\nfunc TestEmpty(t *testing.T) {\n\tdefer func() {\n\t\tif e := recover(); e != nil {\n\t\t\tt.Fatalf(\"panics: %v\", e)\n\t\t}\n\t}()\n\tif First(nil) != 0 {\n\t\tt.Fatal(\"not 0\")\n\t}\n}\n\nfunc TestCount(t *testing.T) {\n\tif Count([]int{1}) != 1 {\n\t\tt.Fatal(\"count\")\n\t}\n}\n",
            ),
        ],
        code: "cart.go",
        passed: 2,
    };
    let shop = sample.shop(&[]);
    assert_eq!(shop.reproduction.test_id, "example.com/shop::TestEmpty");
    let honest = "if len(prices) == 0 {\n\t\treturn 0\n\t}\n\treturn prices[0]";
    believed_less(&sample.judge(&shop, "return prices[0]", honest));
    is(
        &sample.judge(&shop, "return prices[0]", &honest.replace("return 0", "return 1")),
        VerdictStatus::NotFixed,
    );
    let unbuilt = sample.judge(&shop, "return prices[0]", "return total");
    is(&unbuilt, VerdictStatus::NotFixed);
    assert!(unbuilt.lessons[0].contains("undefined: total"), "{unbuilt:#?}");
    let exit = "if len(prices) == 0 {\n\t\tos.Exit(0)\n\t}\n\treturn prices[0]";
    let with = sample.files[1]
        .1
        .replace("package shop\n", "package shop\n\nimport \"os\"\n")
        .replace("return prices[0]", exit);
    never_fixed(&shop.judge(&shop.diff(&[("cart.go", Some(&with))])));
    is(&shop.judge(&shop.diff(&[("cart_test.go", None)])), VerdictStatus::Tampered);
}
