//! `mvn test`, where Maven is and has its plugins at hand: those of Debian's packages (`libsurefire-java`, `junit4`).

use std::path::Path;

use super::{Sample, believed_less, is, never_fixed, on_path};
use crate::types::VerdictStatus;

/// Where Debian keeps artifacts.
const ARTIFACTS: &str = "/usr/share/maven-repo";

const PROJECT: &str = "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">
  <modelVersion>4.0.0</modelVersion>
  <groupId>shop</groupId><artifactId>shop</artifactId><version>1</version>
  <properties>
    <maven.compiler.source>11</maven.compiler.source><maven.compiler.target>11</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
    <dependency>
      <groupId>junit</groupId><artifactId>junit</artifactId><version>4.x</version><scope>test</scope>
    </dependency>
  </dependencies>
</project>
";

const CART: &str = "package shop;

public class Cart {
    public static int first(int[] prices) {
        return prices[0];
    }

    public static int count(int[] prices) {
        return prices.length;
    }
}
";

const TEST: &str = "package shop;

import static org.junit.Assert.assertEquals;

import org.junit.Test;

public class CartTest {
    @Test public void first() { assertEquals(4, Cart.first(new int[] {4})); }
    @Test public void empty() { assertEquals(0, Cart.first(new int[] {})); }
    @Test public void count() { assertEquals(1, Cart.count(new int[] {1})); }
}
";

#[test]
fn maven_is_judged_where_maven_is() {
    if !on_path("mvn") || !Path::new(ARTIFACTS).join("org/apache/maven/surefire/surefire-junit4").is_dir() {
        eprintln!("Maven with its plugins is not here: nothing is tried");
        return;
    }
    let sample = Sample {
        files: vec![
            ("pom.xml", PROJECT),
            (".mvn/maven.config", "-Dmaven.repo.local=/usr/share/maven-repo\n"),
            ("src/main/java/shop/Cart.java", CART),
            ("src/test/java/shop/CartTest.java", TEST),
        ],
        code: "src/main/java/shop/Cart.java",
        passed: 2,
    };
    let shop = sample.shop(&[]);
    assert_eq!(shop.reproduction.test_id, "shop.CartTest::empty");
    let honest = "return prices.length == 0 ? 0 : prices[0];";
    believed_less(&sample.judge(&shop, "return prices[0];", honest));
    let wrong = honest.replace("? 0", "? 1");
    is(&sample.judge(&shop, "return prices[0];", &wrong), VerdictStatus::NotFixed);
    let unbuilt = sample.judge(&shop, "return prices[0];", "return total;");
    is(&unbuilt, VerdictStatus::NotFixed);
    assert!(unbuilt.lessons[0].contains("cannot find symbol"), "{unbuilt:#?}");
    let exit = "if (prices.length == 0) System.exit(0);\n        return prices[0];";
    never_fixed(&sample.judge(&shop, "return prices[0];", exit));
    is(&shop.judge(&shop.diff(&[("src/test/java/shop/CartTest.java", None)])), VerdictStatus::Tampered);
}
