//! Countries by ISO 3166-1 alpha-2 with the names their people give them, so that none needs translating.
//!
//! Those for which the kernel's regulatory database has rules and where boxes are likely; whoever is
//! missing sets `country` in the settings document.

/// Code and own name, by name.
pub(super) const COUNTRIES: &[(&str, &str)] = &[
    ("AR", "Argentina"),
    ("AU", "Australia"),
    ("BD", "বাংলাদেশ"),
    ("BE", "België / Belgique"),
    ("BO", "Bolivia"),
    ("BA", "Bosna i Hercegovina"),
    ("BR", "Brasil"),
    ("BG", "България"),
    ("CA", "Canada"),
    ("CZ", "Česko"),
    ("CL", "Chile"),
    ("CO", "Colombia"),
    ("CR", "Costa Rica"),
    ("HR", "Hrvatska"),
    ("CU", "Cuba"),
    ("CY", "Κύπρος / Kıbrıs"),
    ("DK", "Danmark"),
    ("DE", "Deutschland"),
    ("EC", "Ecuador"),
    ("EE", "Eesti"),
    ("SV", "El Salvador"),
    ("ES", "España"),
    ("FR", "France"),
    ("GH", "Ghana"),
    ("GR", "Ελλάδα"),
    ("GT", "Guatemala"),
    ("HK", "香港"),
    ("IN", "India / भारत"),
    ("ID", "Indonesia"),
    ("IE", "Ireland / Éire"),
    ("IS", "Ísland"),
    ("IL", "ישראל"),
    ("IT", "Italia"),
    ("JP", "日本"),
    ("KE", "Kenya"),
    ("KR", "대한민국"),
    ("LV", "Latvija"),
    ("LB", "لبنان"),
    ("LI", "Liechtenstein"),
    ("LT", "Lietuva"),
    ("LU", "Lëtzebuerg"),
    ("HU", "Magyarország"),
    ("MY", "Malaysia"),
    ("MT", "Malta"),
    ("MA", "المغرب"),
    ("MX", "México"),
    ("NL", "Nederland"),
    ("NP", "नेपाल"),
    ("NZ", "New Zealand / Aotearoa"),
    ("NG", "Nigeria"),
    ("NO", "Norge"),
    ("AT", "Österreich"),
    ("PY", "Paraguay"),
    ("PE", "Perú"),
    ("PH", "Pilipinas"),
    ("PL", "Polska"),
    ("PT", "Portugal"),
    ("RO", "România"),
    ("CH", "Schweiz / Suisse / Svizzera"),
    ("SN", "Sénégal"),
    ("RS", "Србија"),
    ("SG", "Singapore"),
    ("SK", "Slovensko"),
    ("SI", "Slovenija"),
    ("ZA", "South Africa"),
    ("FI", "Suomi"),
    ("SE", "Sverige"),
    ("TW", "臺灣"),
    ("TZ", "Tanzania"),
    ("TH", "ประเทศไทย"),
    ("TN", "تونس"),
    ("TR", "Türkiye"),
    ("UG", "Uganda"),
    ("UA", "Україна"),
    ("GB", "United Kingdom"),
    ("US", "United States"),
    ("UY", "Uruguay"),
    ("VN", "Việt Nam"),
];

#[cfg(test)]
mod tests {
    use kith_model::settings::values::Country;

    use super::*;

    #[test]
    fn every_code_is_one_and_stands_once() {
        let mut codes: Vec<&str> = COUNTRIES.iter().map(|(code, _)| *code).collect();
        assert!(codes.iter().all(|code| code.parse::<Country>().is_ok()));
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }
}
