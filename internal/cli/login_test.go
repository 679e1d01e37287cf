package cli

import "testing"

func TestServersAreSpokenToOverHTTPSOnly(t *testing.T) {
	for text, want := range map[string]string{
		"sallyport.example.com":          "https://sallyport.example.com",
		"https://sallyport.example.com/": "https://sallyport.example.com",
		"http://localhost:7373":          "https://localhost:7373",
		"http://127.0.0.1:7373":          "https://127.0.0.1:7373",
		"http://sallyport.example.com":   "",
		"https://ann@example.com":        "",
		"https://example.com/path":       "",
		"ftp://example.com":              "",
	} {
		got, err := serverURL(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

func TestABareNumberIsMinutes(t *testing.T) {
	for text, want := range map[string]string{"60060": "1001h0m0s", "12h": "12h", "": "", "0": "-", "-5": "-", "99999999": "-"} {
		got, err := readTTL(text)
		if err != nil {
			got = "-"
		}
		if got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
